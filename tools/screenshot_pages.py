"""The pages that `make screenshots` looks at. Whoever adds a page adds its line here.

`url` may hold parts of what `wushe demo` printed: `{places[150603]}` is the id of that place, `{ids[need][0]}` the first of a
list. `follow` opens the first link that matches a CSS selector on that page and takes the picture there, for records whose
address nobody knows beforehand. `role` signs in with the demo log-in of that role. `keep` stores the picture itself too, for
the README.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shot:
    """One page to look at."""

    name: str
    face: str
    url: str
    role: str = ""
    follow: str = ""
    keep: bool = False


ADMIN, WORKER, OPERATOR = "DISTRICT_ADMIN", "COMMUNITY_WORKER", "PLATFORM_OPERATOR"

SHOTS: list[Shot] = [
    # the public face
    Shot("home", "portal", "/", keep=True),
    Shot("find-place", "portal", "/places/?q=kang"),
    Shot("nation", "portal", "/places/nation/"),
    Shot("place", "portal", "/places/{places[150603]}/", keep=True),
    Shot("place-street", "portal", "/places/{places[150603001]}/"),
    Shot("place-community", "portal", "/places/{places[150603001001]}/"),
    Shot("about", "portal", "/about/"),
    Shot("accessibility", "portal", "/accessibility/"),
    Shot("privacy", "portal", "/privacy/"),
    Shot("login", "portal", "/login/"),
    Shot("not-found", "portal", "/no-such-page/"),
    # my own page
    Shot("me", "me", "/me/", "VOLUNTEER"),
    Shot("me-data", "me", "/me/data/", "VOLUNTEER"),
    Shot("me-consents", "me", "/me/consents/", "VOLUNTEER"),
    Shot("me-security", "me", "/me/security/", "VOLUNTEER"),
    Shot("me-settings", "me", "/me/settings/", "VOLUNTEER"),
    # the desk: people and what is waiting
    Shot("desk", "desk", "/desk/", WORKER, keep=True),
    Shot("desk-admin", "desk", "/desk/", ADMIN),
    Shot("start", "desk", "/desk/start/", ADMIN),
    Shot("search", "desk", "/desk/search/?q=wang", WORKER),
    Shot("people", "desk", "/desk/people/", WORKER),
    Shot("people-new", "desk", "/desk/people/new/", WORKER),
    Shot("person", "desk", "/desk/people/", WORKER, follow="main table tbody th a"),
    Shot("person-edit", "desk", "/desk/people/{ids[person][0]}/edit/", ADMIN),
    Shot("person-consents", "desk", "/desk/people/{ids[person][0]}/consents/", ADMIN),
    Shot("duplicates", "desk", "/desk/people/duplicates/", ADMIN),
    Shot("merge", "desk", "/desk/people/duplicates/", ADMIN, follow="main a[href*='/merge/']"),
    # organizations, stations, venues, duties, places
    Shot("organizations", "organizations", "/desk/organizations/", ADMIN),
    Shot("organization", "organizations", "/desk/organizations/", ADMIN, follow="main table tbody th a"),
    Shot("organization-new", "organizations", "/desk/organizations/new/", ADMIN),
    Shot("stations", "organizations", "/desk/organizations/stations/", ADMIN),
    Shot("station", "organizations", "/desk/organizations/stations/{ids[station][0]}/", ADMIN),
    Shot(
        "station-hand-over",
        "organizations",
        "/desk/organizations/stations/{ids[station][0]}/hand-over/",
        ADMIN,
    ),
    Shot("venues", "organizations", "/desk/organizations/venues/", ADMIN),
    Shot("venue", "organizations", "/desk/organizations/venues/{ids[venue][0]}/", ADMIN),
    Shot("venue-new", "organizations", "/desk/organizations/venues/new/", ADMIN),
    Shot("duties", "organizations", "/desk/organizations/duties/", ADMIN),
    Shot("places", "organizations", "/desk/places/", ADMIN),
    Shot("place-record", "organizations", "/desk/places/{places[150603001001]}/", ADMIN),
    # administration
    Shot("exchange", "administration", "/desk/exchange/", ADMIN),
    Shot("import-people", "administration", "/desk/exchange/people/import/", ADMIN),
    Shot("accounts", "administration", "/desk/accounts/", ADMIN),
    Shot("account", "administration", "/desk/accounts/", ADMIN, follow="main table tbody th a"),
    Shot("account-new", "administration", "/desk/accounts/new/", ADMIN),
    Shot("grants", "administration", "/desk/grants/", ADMIN),
    Shot("dangers", "administration", "/desk/grants/dangers/", ADMIN),
    Shot("audit", "administration", "/desk/audit/", ADMIN),
    Shot("api", "administration", "/api/docs", ADMIN),
]
