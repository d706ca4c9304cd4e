"""Wires billing into Django: nothing but registrations happens here."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """The entitlement engine and the billing tables."""

    name = "billing"
    verbose_name = "Billing"
    default_auto_field = "django.db.models.BigAutoField"
    page_urls = "billing.pages.urls"
    workspace_pages = {"workspace-billing": "Billing"}

    def ready(self) -> None:
        """Declare what the core limits, welcome new workspaces and users, follow the catalog, and tell of the worker."""
        from billing import checks  # noqa: F401 - registers the system checks
        from billing.catalog.changes import on_catalog_changed
        from billing.entitlements.core import declare_core
        from billing.entitlements.expiry import ExpiryGuard
        from billing.entitlements.resolvers import forget_definitions
        from billing.entitlements.scheduled import on_plan_change_due
        from billing.payments import telemetry
        from billing.subscriptions.scheduling import promote_due
        from billing.subscriptions.welcome import welcome_user, welcome_workspace
        from billing.worker import heartbeats
        from mozaiks.kit import health, metrics
        from mozaiks.workspaces import gate
        from mozaiks.workspaces.creation import on_user_created, on_workspace_created

        declare_core()
        on_catalog_changed(forget_definitions)
        on_plan_change_due(promote_due)
        on_workspace_created(welcome_workspace)
        on_user_created(welcome_user)
        gate.post(ExpiryGuard())
        health.TOLD["worker"] = heartbeats.report
        health.TOLD["webhooks"] = telemetry.report
        metrics.ask_at_scrape(heartbeats.WorkerCollector())
        metrics.ask_at_scrape(telemetry.InboxCollector())
