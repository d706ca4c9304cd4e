"""What the forms of the catalog call their fields, and what they say beside them: enough to fill them in without a manual."""

from __future__ import annotations

CODE = "How programs call it: letters, digits, dots and dashes, such as %s. It stays for ever."
MINOR = "In minor units of the currency: 1900 EUR is 19.00. 0 is free. Empty: it is not for sale here."
CURRENCY = "Three capital letters, such as EUR. Needed for a price above 0."
PROVIDER = "Who collects the price: stripe, managed or mock. Empty: nobody does."
PRICE_ID = "The price's own id at the provider: what was paid is known by it. Needed where a provider collects it."
PRODUCT_ID = "The product's own id at the provider. Only to find it there."
METADATA = "An object of your own, kept and never read by the engine."

PLAN_LABELS = {
    "is_default": "Is the default",
    "checkout_unit_amount_minor": "Price",
    "checkout_currency": "Currency",
    "checkout_interval": "Paid every",
    "checkout_interval_count": "Number of intervals",
    "checkout_provider": "Provider",
    "checkout_provider_price_id": "Provider's price",
    "checkout_provider_product_id": "Provider's product",
    "metadata_json": "Metadata",
}
PLAN_HELP = {
    "code": CODE % "pro or team-2026",
    "name": "What customers see.",
    "is_active": "May be chosen. Who is on it stays on it when it is switched off.",
    "is_default": "New workspaces start on it. It takes the place of the default before.",
    "trial_days": "How long it may be tried for nothing, once a customer. Then the default plan follows. 0: no trial.",
    "checkout_unit_amount_minor": MINOR,
    "checkout_currency": CURRENCY,
    "checkout_interval": "Needed for a price above 0.",
    "checkout_interval_count": "2 with month is every two months.",
    "checkout_provider": PROVIDER,
    "checkout_provider_price_id": PRICE_ID,
    "checkout_provider_product_id": PRODUCT_ID,
    "plugins": 'A list of plugins its customers may use, names or patterns: ["reports-*"]. ["*"] is all of them.',
    "plugin_tiers": 'The tier a plugin runs in, by its name: {"reports": "gold"}.',
    "metadata_json": METADATA,
}

PRODUCT_LABELS = {
    "product_kind": "Kind",
    "unit_amount_minor": "Price",
    "price_interval": "Paid every",
    "provider_price_id": "Provider's price",
    "provider_product_id": "Provider's product",
    "metadata_json": "Metadata",
}
PRODUCT_HELP = {
    "code": CODE % "extra-projects",
    "name": "What customers see.",
    "is_active": "May be bought. Who bought it keeps it when it is switched off.",
    "unit_amount_minor": MINOR,
    "currency": CURRENCY,
    "price_interval": "Empty: paid once.",
    "provider": PROVIDER,
    "provider_price_id": PRICE_ID,
    "provider_product_id": PRODUCT_ID,
    "metadata_json": METADATA,
}

DEFINITION_HELP = {
    "code": CODE % "reports.monthly",
    "unit": "One of what is counted: report, token, seat.",
    "is_active": "Switch it off instead of deleting it: nothing new is granted or used then.",
    "entitlement_type": (
        "capacity: how many there may be at once. metered quota: how many per window. balance: credits that are used up. "
        "state: granted or not."
    ),
    "window_interval": "For a metered quota, and for nothing else.",
    "window_anchor": (
        "calendar utc: from the first of the month, say. anniversary: from the day the customer came. rolling: the last 24 "
        "hours, 7, 30 or 365 days."
    ),
    "aggregation_mode": "What several grants give together: sum for quotas and balances, boolean any true for states.",
    "enforcement_mode": (
        "hard deny refuses what does not fit. hard lock resource also locks what is beyond the limit. soft warn lets it pass "
        "and counts it as overage."
    ),
    "lock_state_name": "What programs are told while it is locked, such as locked_over_cap.",
    "metadata_json": METADATA,
}
