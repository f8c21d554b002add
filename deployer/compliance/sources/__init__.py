"""Where facts come from, one module a source; these modules read and judge nothing."""
