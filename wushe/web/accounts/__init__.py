"""Log-in, links and cards that open it, and the desk's pages about accounts and role grants."""
