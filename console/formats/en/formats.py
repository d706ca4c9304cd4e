"""Read by Django through ``FORMAT_MODULE_PATH``; what is not said here is as Django says it."""

DATETIME_FORMAT = r"Y-m-d H:i:s \U\T\C"  # TIME_ZONE is UTC
DATE_FORMAT = "Y-m-d"
