"""The configs that ship with gpucnn; packaged as gpucnn.configs, so that their names work outside a checkout."""
