"""Icons of the design system: 24-unit strokes drawn for Wushe. Always beside a word, so always hidden from screen readers."""

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

# Each value is the inside of an <svg>; shapes inherit stroke and fill from the class w-icon.
SHAPES: dict[str, str] = {
    "alert": '<path d="M12 4 2.8 19.5h18.4z"/><path d="M12 10v4.5M12 17v.1"/>',
    "arrow-down": '<path d="M12 5v14M6 13l6 6 6-6"/>',
    "arrow-left": '<path d="M19 12H5M11 6l-6 6 6 6"/>',
    "arrow-right": '<path d="M5 12h14M13 6l6 6-6 6"/>',
    "arrow-up": '<path d="M12 19V5M6 11l6-6 6 6"/>',
    "badge": '<rect x="4" y="6" width="16" height="15" rx="2.5"/><path d="M9 6V3h6v3"/><circle cx="12" cy="12.5" r="2.3"/>'
    '<path d="M8 18.5c.6-2 2-3 4-3s3.4 1 4 3"/>',
    "bell": '<path d="M6 17V11a6 6 0 0 1 12 0v6l1.5 2h-15zM10 21.5h4"/>',
    "book": '<path d="M4 5c3-1.2 5.5-1 8 .8C14.5 4 17 3.8 20 5v14c-3-1.2-5.5-1-8 .8-2.5-1.8-5-2-8-.8zM12 6v13.5"/>',
    "building": '<path d="M5 21V5.5L13 3v18M13 9h6v12M3 21h18"/><path d="M8 9h2M8 13h2M8 17h2M16 13h.5M16 17h.5"/>',
    "calendar": '<rect x="3.5" y="5" width="17" height="16" rx="2.5"/><path d="M3.5 10h17M8 3v4M16 3v4"/>',
    "card": '<rect x="2.5" y="5" width="19" height="14" rx="2.5"/><circle cx="8.5" cy="11" r="2"/>'
    '<path d="M5.5 16c.5-1.7 1.5-2.4 3-2.4s2.5.7 3 2.4M14.5 10h4M14.5 14h4"/>',
    "chart": '<path d="M4 4v16h16M8.5 16v-4M13 16V8M17.5 16v-6"/>',
    "check": '<path d="m5 12.5 4.7 4.7L19.5 7"/>',
    "check-circle": '<circle cx="12" cy="12" r="9"/><path d="m8 12.3 2.8 2.9L16.2 9.3"/>',
    "chevron-down": '<path d="m6 9.5 6 6 6-6"/>',
    "chevron-right": '<path d="m9.5 6 6 6-6 6"/>',
    "clock": '<circle cx="12" cy="12" r="9"/><path d="M12 7v5.3l3.5 2"/>',
    "close": '<path d="m6 6 12 12M18 6 6 18"/>',
    "copy": '<rect x="8" y="8" width="12" height="13" rx="2"/><path d="M16 8V5a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v9a2 2 0 0 0 2 2h2"/>',
    "dot": '<circle cx="12" cy="12" r="4"/>',
    "download": '<path d="M12 4v11M7 10.5l5 5 5-5M4 20h16"/>',
    "door": '<path d="M6 21V3.5h12V21M3 21h18M14.5 12v1"/>',
    "eye": '<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z"/><circle cx="12" cy="12" r="2.8"/>',
    "filter": '<path d="M3.5 5h17l-6.5 8v6l-4-2v-4z"/>',
    "flag": '<path d="M5 21V4M5 5c4-2 7 2 14 0v9c-7 2-10-2-14 0"/>',
    "gear": '<circle cx="12" cy="12" r="3.2"/><path d="M12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.1 2.1M16.3 16.3l2.1 2.1'
    'M18.4 5.6l-2.1 2.1M7.7 16.3l-2.1 2.1"/>',
    "gift": '<rect x="4" y="11" width="16" height="10" rx="1.5"/><path d="M3 7.5h18V11H3zM12 7.5V21M12 7.5C9 7.5 7 6.5 7.3 4.7'
    'c.4-2 4.2-1.7 4.7 2.8.5-4.5 4.3-4.8 4.7-2.8.3 1.8-1.7 2.8-4.7 2.8z"/>',
    "globe": '<circle cx="12" cy="12" r="9"/><path d="M3 12h18M12 3c-5 5.5-5 12.5 0 18M12 3c5 5.5 5 12.5 0 18"/>',
    "hand": '<path d="M12 20.5S4 15.8 4 10.3C4 7.5 6 5.7 8.2 5.7c1.6 0 3 .9 3.8 2.4.8-1.5 2.2-2.4 3.8-2.4'
    ' 2.2 0 4.2 1.8 4.2 4.6 0 5.5-8 10.2-8 10.2z"/>',
    "history": '<path d="M4 12a8 8 0 1 0 2.6-5.9M4 4v4.5h4.5"/><path d="M12 8v4.5l3 1.7"/>',
    "house": '<path d="m3 11.5 9-8 9 8M5.5 9.5V20.5h13V9.5M10 20.5v-6h4v6"/>',
    "info": '<circle cx="12" cy="12" r="9"/><path d="M12 11v5.5M12 7.5v.1"/>',
    "key": '<circle cx="8" cy="15" r="4.2"/><path d="m11 12 8.5-8.5M16 7l3 3M13.5 9.5l2 2"/>',
    "link": '<path d="M10 14a4 4 0 0 0 5.7 0l3.5-3.5a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3.5 3.5a4 4 0 0 0 5.7 5.7'
    'l1.5-1.5"/>',
    "list": '<path d="M8.5 6h12M8.5 12h12M8.5 18h12M4 6h.1M4 12h.1M4 18h.1"/>',
    "lock": '<rect x="4.5" y="10.5" width="15" height="10.5" rx="2"/><path d="M8 10.5V7.5a4 4 0 0 1 8 0v3M12 15v2"/>',
    "mail": '<rect x="3" y="5" width="18" height="14" rx="2.5"/><path d="m3.5 7 8.5 6.5L20.5 7"/>',
    "map": '<path d="M3.5 6.5 9 4l6 2.5L20.5 4v13.5L15 20l-6-2.5L3.5 20zM9 4v13.5M15 6.5V20"/>',
    "menu": '<path d="M4 6.5h16M4 12h16M4 17.5h16"/>',
    "minus": '<circle cx="12" cy="12" r="9"/><path d="M8 12h8"/>',
    "out": '<path d="M14 4H5.5A1.5 1.5 0 0 0 4 5.5v13A1.5 1.5 0 0 0 5.5 20H14M10 12h10.5M16.5 8l4 4-4 4"/>',
    "pencil": '<path d="M4 20l1-4.5L16 4.5l3.5 3.5L8.5 19zM13.5 7l3.5 3.5"/>',
    "people": '<circle cx="9" cy="8.5" r="3.5"/><path d="M2.5 20c.6-4 3-6 6.5-6s5.9 2 6.5 6"/>'
    '<path d="M16 5.3a3.3 3.3 0 0 1 0 6.4M17.5 14.3c2.2.6 3.6 2.5 4 5.7"/>',
    "person": '<circle cx="12" cy="8" r="4"/><path d="M4.5 21c.7-4.6 3.4-7 7.5-7s6.8 2.4 7.5 7"/>',
    "phone": '<path d="M6 3.5h3l1.7 4.5-2.2 1.7a13 13 0 0 0 5.8 5.8l1.7-2.2 4.5 1.7v3a2.5 2.5 0 0 1-2.7 2.5'
    'C10 20 4 14 3.5 6.2A2.5 2.5 0 0 1 6 3.5z"/>',
    "pin": '<path d="M12 21.5s-7-6.3-7-11.7a7 7 0 0 1 14 0c0 5.4-7 11.7-7 11.7z"/><circle cx="12" cy="9.8" r="2.5"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "print": '<path d="M7 8.5V3.5h10v5M7 17H4.5A1.5 1.5 0 0 1 3 15.5v-5.5A1.5 1.5 0 0 1 4.5 8.5h15A1.5 1.5 0 0 1 21 10v5.5'
    'a1.5 1.5 0 0 1-1.5 1.5H17"/><path d="M7 14h10v6.5H7z"/>',
    "qr": '<path d="M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2.5v2.5H14zM20 14v.1M17.5 17.5H20V20M14 20v.1"/>',
    "search": '<circle cx="10.5" cy="10.5" r="6.5"/><path d="m15.5 15.5 5 5"/>',
    "shield": '<path d="M12 3 4.5 6v5.5c0 4.7 3 7.9 7.5 9.5 4.5-1.6 7.5-4.8 7.5-9.5V6z"/>',
    "sort": '<path d="m8 10 4-4 4 4M8 14l4 4 4-4"/>',
    "table": '<rect x="3.5" y="4.5" width="17" height="15" rx="2"/><path d="M3.5 9.5h17M3.5 14.5h17M10 9.5v10"/>',
    "text-size": '<path d="m2.5 18 4.5-12 4.5 12M4 14.5h6M14 18l3-8 3 8M15 15.5h4"/>',
    "trash": '<path d="M4 6.5h16M9 6.5V4h6v2.5M6 6.5 7 20.5h10l1-14M10 10.5v6M14 10.5v6"/>',
    "undo": '<path d="M8 5 4 9l4 4M4 9h9.5a5.5 5.5 0 0 1 0 11H8"/>',
    "upload": '<path d="M12 15.5v-11M7 9.5l5-5 5 5M4 20h16"/>',
}


def icon(name: str, extra: str = "") -> SafeString:
    """Return the inline SVG of an icon. Raises KeyError for a name that is not drawn."""
    return format_html(
        '<svg class="w-icon{}" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{}</svg>',
        f" {extra}" if extra else "",
        mark_safe(SHAPES[name]),  # constants of this module
    )
