"""Who there is: access keys and their policies, sessions, organizations."""
