"""The marks that stand for identifiers in text."""

from __future__ import annotations

import re

from policies.legal import CATEGORIES

# Only marks that we write: another bracketed word of a note is no mark. A token has 43 characters or more.
MARK = re.compile(rf"\[(?:\*\*\*|({'|'.join(CATEGORIES)}))(?: (?:19|20)\d{{2}}|:[\w-]{{43,}})?\]")
