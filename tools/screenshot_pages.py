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


SHOTS: list[Shot] = [
    Shot("home", "portal", "/", keep=True),
    Shot("about", "portal", "/about/"),
    Shot("accessibility", "portal", "/accessibility/"),
    Shot("privacy", "portal", "/privacy/"),
    Shot("not-found", "portal", "/no-such-page/"),
]
