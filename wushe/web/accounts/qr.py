"""QR codes as SVG without styles of their own, so that they are drawn under a strict Content-Security-Policy and printed sharp."""

import io

import segno
from django.utils.safestring import SafeString, mark_safe


def qr_svg(text: str, css_class: str = "w-qr") -> SafeString:
    """Return the QR code of `text` as an inline <svg>; size and color come from the class. The text beside it is its alternative."""
    drawn = io.BytesIO()
    segno.make(text, error="m").save(
        drawn,
        kind="svg",
        xmldecl=False,
        svgns=True,
        svgclass=css_class,
        lineclass=None,
        omitsize=True,
        border=4,
    )
    svg = drawn.getvalue().decode()
    # segno's own output: digits and path commands, nothing of the text itself.
    return mark_safe(svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))  # see above
