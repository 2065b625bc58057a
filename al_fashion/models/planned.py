"""Any backbone, known by its key before it is built: VGG16, another of Keras's, an own one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from al_fashion.models import keras_backbones
from al_fashion.models.backbones import Backbone, BackboneSettings, cache_key, vgg16
from al_fashion.models.engines import Engine
from al_fashion.models.weights import find_weights
from al_fashion.models.zoo import pixels_backbone


@dataclass(frozen=True)
class PlannedBackbone:
    """`key` names the features, `build` makes the backbone; only that loads an engine."""

    settings: BackboneSettings
    key: str
    build: Callable[[], Backbone]


def check_name(name: str) -> None:
    """Raises WeightsError where no backbone has the name; only a Keras one's loads Keras."""
    if name not in ("vgg16", "pixels"):
        keras_backbones.check_backbone(name)


def plan_backbone(
    settings: BackboneSettings, weights: Path | None, *, verify: bool, engine: Engine = "auto"
) -> PlannedBackbone:
    """The backbone of these settings. `engine` and `verify` concern vgg16 alone.

    Raises WeightsError where the weights or a file cannot be found; `build` raises it too.
    """
    if settings.name == "vgg16":
        found = find_weights(weights, verify=verify)
        key = cache_key(found.digest, settings)
        return PlannedBackbone(settings, key, lambda: vgg16(found, settings, engine))
    if settings.name == "pixels":
        pixels = pixels_backbone(settings.size)
        return PlannedBackbone(settings, pixels.key, lambda: pixels)
    key = keras_backbones.keras_key(settings, weights)
    return PlannedBackbone(settings, key, lambda: keras_backbones.keras_backbone(settings, weights))


def weights_source(settings: BackboneSettings, weights: Path | None, *, verify: bool) -> str:
    """Where the backbone's weights come from. Raises WeightsError where from nowhere."""
    if settings.name == "vgg16":
        return find_weights(weights, verify=verify).source
    return keras_backbones.weights_source(settings, weights)
