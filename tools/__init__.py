"""Set-up and upkeep of the source tree; nothing of it is in the wheel."""
