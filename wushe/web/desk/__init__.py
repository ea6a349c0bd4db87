"""The desk's shell pages: today's work list, first day, search over everything, audit trail."""
