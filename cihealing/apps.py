import logging
from contextlib import suppress

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate


class CihealingConfig(AppConfig):
    name = "cihealing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Local rules hold for whatever this process reads: a web request, a worker's effect, a
        command.

        What policy keeps secret is masked from the start, whoever asks for the policy first.
        """
        from cihealing import policy_file
        from cihealing.store import words

        post_migrate.connect(words.prepare, sender=self)
        with suppress(policy_file.BadPolicy):  # told by whoever needs it
            policy_file.learn(policy_file.load(settings.CI_HEALING["POLICY_FILE"]))
        if directory := settings.CI_HEALING["RULES_DIR"]:
            from cihealing.reading.rulebook import put_in_force

            for refused in put_in_force(directory):
                logging.getLogger(__name__).warning("rule refused: %s", refused)
