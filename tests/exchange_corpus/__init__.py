"""Spreadsheets made at test time: hostile ones, and messy ones with what is to be read from them. None is ever committed."""
