"""A site of one page for each shell that shows every component: looked at by people, checked by axe. Exists in tests only."""
