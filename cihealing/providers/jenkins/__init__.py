"""Jenkins, with the Notification plugin."""
