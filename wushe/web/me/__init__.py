"""The pages about oneself: today, data, consents, security, settings."""
