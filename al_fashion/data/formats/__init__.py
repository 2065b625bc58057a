"""What an export may look like: one module a family, all carrying the same rows."""

FILES = ("csv", "jsonl", "coco", "labelstudio")
FOLDERS = ("imagefolder", "huggingface", "yolo")
NAMES = FILES + FOLDERS
