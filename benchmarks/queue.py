"""Starts `labellers_at_queue.py`, the benchmark of the queue, and stays out of the others' way.

A script's own folder comes first where Python looks for modules, so that every benchmark here finds
this file for the standard library's `queue`. Imported under that name it hands over to that one.
"""

import importlib.util
import sys
import sysconfig

if __name__ == "__main__":
    from labellers_at_queue import main

    main()
else:
    _place = sysconfig.get_path("stdlib") + "/queue.py"
    _spec = importlib.util.spec_from_file_location(__name__, _place)
    assert _spec is not None and _spec.loader is not None
    sys.modules[__name__] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[__name__])
