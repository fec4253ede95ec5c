# The API's description as one page that needs no network: Redoc's program is put beside it.
REDOC := node_modules/redoc/bundles/redoc.standalone.js

.PHONY: openapi-html
openapi-html: build/openapi/index.html ## the REST API as a page to read, build/openapi/index.html

build/openapi/index.html: protocol/openapi.yaml $(NODE_MODULES)
	@mkdir -p $(@D)
	cp $(REDOC) $(@D)/
	REDOCLY_TELEMETRY=off npx --no-install redocly build-docs $< -o $@.whole --disableGoogleFont
	sed -e 's|https://cdn.redocly.com/[^"]*/redoc.standalone.js|redoc.standalone.js|' \
	    -e 's| integrity="[^"]*"||; s| crossorigin="[^"]*"||' $@.whole >$@
	rm -f $@.whole
