from django.apps import AppConfig
from django.conf import settings


class CihealingConfig(AppConfig):
    name = "cihealing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Local rules hold for whatever this process reads: a web request, a worker's effect, a command."""
        if directory := settings.CI_HEALING["RULES_DIR"]:
            import structlog

            from cihealing.reading.rulebook import put_in_force

            for refused in put_in_force(directory):
                structlog.get_logger(__name__).warning("rule_refused", reason=str(refused))
