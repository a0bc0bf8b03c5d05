"""openapi-spec-validator: the description of the service is OpenAPI."""

import json
import sys
import urllib.request

from openapi_spec_validator import OpenAPIV31SpecValidator, validate

with urllib.request.urlopen(sys.argv[1] + "/spec") as answer:
    spec = json.load(answer)
assert spec["openapi"].startswith("3.1."), spec["openapi"]
validate(spec)
# It sees what is not.
spec["paths"]["/translate"]["post"]["responses"] = []
assert not OpenAPIV31SpecValidator(spec).is_valid()
