"""What holds for the model of a thread, by the catalogue in force, the configuration and the provider's server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from codexd.catalog.daily_warnings import DailyWarnings
from codexd.catalog.limits import (
    as_configured,
    complaints_about,
    limits_of,
    traits_of,
    tuned_to,
)
from codexd.catalog.live_catalog import LiveCatalog
from codexd.config.keys import Config
from codexd.config.live import LiveConfig
from codexd.core.values.limits import Limits, Traits
from codexd.core.values.settings import Notice, Settings, Tuned
from codexd.models.catalog import Model


class ModelFacts:
    """The facts, looked up at each question."""

    def __init__(
        self,
        config: LiveConfig,
        window: Callable[[str, str], int | None],
        state_dir: Path,
        today: Callable[[], str],
    ) -> None:
        """`window` gives the context window that a provider's server reported for a model, in tokens."""
        self._config, self._window = config, window
        self.catalog, self._daily = (
            LiveCatalog(config),
            DailyWarnings(state_dir / "warned.json", today),
        )
        self.run = self._daily.run  # does not return

    def traits(self, model: str) -> Traits:
        """The capabilities of a model."""
        config = self._config.last_good()
        found = self.catalog.named(config.model_catalog_json).find(model)
        return traits_of(as_configured(found, config), config.features.unified_exec)

    def tuning(self, settings: Settings) -> Tuned:
        """The options of a request that the model of these settings supports."""
        return tuned_to(settings, self._model(settings.model, self._config.in_folder(settings.cwd)))

    def limits(self, settings: Settings) -> Limits:
        """The limits of a turn with these settings."""
        config = self._config_of(settings)
        return limits_of(self._model(settings.model, config), config, self._windows(settings))

    def warnings(self, settings: Settings) -> tuple[Notice, ...]:
        """What a person is told of the model when a turn begins; the same only once a day."""
        config = self._config_of(settings)
        model = self._model(settings.model, config)
        return self._daily.due(complaints_about(model, config, self._windows(settings)))

    def _config_of(self, settings: Settings) -> Config:
        """The configuration of the thread's folder, with what its client has set for the thread alone."""
        config = self._config.in_folder(settings.cwd)
        if settings.context_window is settings.compact_limit is None:
            return config
        return replace(
            config,
            model_context_window=settings.context_window or config.model_context_window,
            model_auto_compact_token_limit=settings.compact_limit
            or config.model_auto_compact_token_limit,
        )

    def _model(self, model: str, config: Config) -> Model:
        return as_configured(self.catalog.current().find(model), config)

    def _windows(self, settings: Settings) -> int | None:
        return self._window(settings.provider, settings.model)
