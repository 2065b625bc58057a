"""COCO, for labels of whole photos: an annotation a label, its box the whole photo.

COCO has no place for labels without a region; a box around everything is what its tools accept.
What COCO cannot say (answers, soft labels, group, split) is a photo's own key `al_fashion`.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import IO, Any

from al_fashion.data.formats.rows import Export, Row, photo_of, read_json, row_of
from al_fashion.data.formats.tables import shown_path
from al_fashion.data.manifest import SourcePhoto, normalise
from al_fashion.errors import SourceError

OWN_KEY = "al_fashion"


def write_coco(file: IO[str], export: Export) -> None:
    """Photos and annotations one after the other, so that nothing is held in memory."""
    categories = [
        {"id": number, "name": name, "supercategory": "label"}
        for number, name in enumerate(export.labels, start=1)
    ]
    info = {"description": "Labels of whole photos: each annotation's box is the whole photo."}
    file.write(f'{{"info": {_json(info)},\n"licenses": [],\n"categories": {_json(categories)},\n')
    file.write('"images": [')
    for number, record in enumerate(export.records(), start=1):
        row = row_of(record, shown_path(record.paths))
        image = {
            "id": number,
            "file_name": row.pop("image"),
            "width": record.width,
            "height": record.height,
            OWN_KEY: row,
        }
        file.write((",\n" if number > 1 else "\n") + _json(image))
    file.write('],\n"annotations": [')
    _write_annotations(file, export)
    file.write("]}\n")


def _write_annotations(file: IO[str], export: Export) -> None:
    category = {name: number for number, name in enumerate(export.labels, start=1)}
    annotation = 0
    for number, record in enumerate(export.records(), start=1):
        for name in record.labels or ():
            annotation += 1
            whole: Row = {
                "id": annotation,
                "image_id": number,
                "category_id": category[name],
                "bbox": [0, 0, record.width, record.height],
                "area": record.width * record.height,
                "iscrowd": 0,
                "segmentation": [],
            }
            file.write((",\n" if annotation > 1 else "\n") + _json(whole))


def is_coco(found: Any) -> bool:
    """Whether a JSON file's content has what COCO's has."""
    return isinstance(found, dict) and {"images", "annotations", "categories"} <= found.keys()


def read_coco(path: Path) -> list[SourcePhoto]:
    """The photos of a COCO file, ours or another. Raises SourceError.

    Where the annotations say something else than our own key, someone has changed them: then they
    count, and the answers do not.
    """
    found = read_json(path)
    if not is_coco(found):
        raise SourceError(f"{path} has no images, annotations and categories. Give a COCO file.")
    try:
        names = {row["id"]: normalise(row["name"]) for row in found["categories"]}
        said: dict[Any, set[str]] = defaultdict(set)
        for row in found["annotations"]:
            said[row["image_id"]].add(names[row["category_id"]])
        return [_photo(row, said[row["id"]], str(path)) for row in found["images"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{path} is not COCO: {error!r} is amiss. Correct it.") from error


def _photo(image: Row, said: set[str], where: str) -> SourcePhoto:
    own = image.get(OWN_KEY) or {}
    row: Row = {**own, "image": image["file_name"]}
    if said != set(own.get("labels") or ()):
        row = {**row, "labels": sorted(said) or None, "answers": None}
        if own.get("answers") and own.get("split") == "audit":
            row["split"] = "pool"  # an attempt may have counted it, as in `importing`
    return photo_of(row, f"{where}, image {image['id']}")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
