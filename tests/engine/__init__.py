"""The arithmetic of entitlements, held against its vectors and against a naive second opinion."""
