"""Two column types the rooms share: keys that are searched by prefix, and text that is encrypted at rest."""

from typing import Any

from django.db import models
from django.db.models.lookups import Lookup

from wushe.kernel import crypto


class KeyField(models.CharField):
    """Text compared byte by byte, so that a prefix is one index range on both databases.

    PostgreSQL's language-aware collations cannot serve prefix searches from an index (and took a second over a million
    rows where "C" takes a millisecond), so the column is collated "C" there and BINARY, the default, on SQLite.
    """

    def db_parameters(self, connection: Any) -> dict[str, Any]:
        parameters = super().db_parameters(connection)
        if connection.vendor == "postgresql":
            parameters["collation"] = "C"
        return parameters


def prefix_end(prefix: str) -> str | None:
    """Return the least string greater than every string that starts with `prefix`, in code point order; None if there is none."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            # UTF-8 has no surrogates: step over them, or the bound could not be encoded.
            following = 0xE000 if last == 0xD7FF else last + 1
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return None


@KeyField.register_lookup
class Prefix(Lookup):
    """`path__prefix="/15/"`: starts with, as an index range instead of LIKE (which SQLite folds case in)."""

    lookup_name = "prefix"
    prepare_rhs = True

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, params = self.process_lhs(compiler, connection)
        end = prefix_end(str(self.rhs))
        if not self.rhs:
            return f"{left} IS NOT NULL", tuple(params)
        if end is None:
            return f"{left} >= %s", (*params, self.rhs)
        return f"({left} >= %s AND {left} < %s)", (*params, self.rhs, *params, end)


class EncryptedField(models.TextField):
    """Text stored sealed by `kernel.crypto` and read in clear. Cannot be searched; pair it with a blind index column.

    `purpose` is bound into the ciphertext; never change it once rows exist.
    """

    def __init__(self, *args: Any, purpose: str = "", **kwargs: Any) -> None:
        self.purpose = purpose
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs["purpose"] = self.purpose
        return name, path, args, kwargs

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value if value in (None, "") else crypto.encrypt(value, self.purpose)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value if value in (None, "") else crypto.decrypt(value, self.purpose)
