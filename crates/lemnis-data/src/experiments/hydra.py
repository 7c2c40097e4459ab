# Composes a configuration with Hydra and prints it as YAML. What to compose stands on the standard input, as JSON.
import sys

if sys.path and sys.path[0] == "":  # the folder where this was started may hold modules with any name
    del sys.path[0]

import json
import os

out = os.fdopen(os.dup(1), "wb")  # what plugins print is not a part of it
os.dup2(2, 1)
wanted = json.load(sys.stdin.buffer)
try:
    from hydra import compose, initialize_config_dir, initialize_config_module
    from hydra.core.plugins import Plugins
    from omegaconf import OmegaConf
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(3)

sys.path.append(wanted["plugins_path"])
try:
    Plugins.instance()
    if wanted["config_module"]:
        start = initialize_config_module(wanted["config_module"], version_base=None)
    else:
        start = initialize_config_dir(wanted["config_dir"], version_base=None)
    with start:
        config = compose(config_name=wanted["config_name"], overrides=wanted["overrides"])
    OmegaConf.resolve(config)
    out.write(OmegaConf.to_yaml(config).encode("utf-8"))
    out.close()
except Exception as error:
    print(error, file=sys.stderr)
    sys.exit(1)
