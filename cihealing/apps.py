from django.apps import AppConfig


class CihealingConfig(AppConfig):
    name = "cihealing"
    default_auto_field = "django.db.models.BigAutoField"
