"""The desk pages of organizations, stations, venues, and who answers for what."""
