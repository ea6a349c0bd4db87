"""Places: the public page of the five societies of a place, search and drill-down, and the desk pages that change the tree."""
