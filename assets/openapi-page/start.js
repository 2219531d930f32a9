// Shows the OpenAPI document that the page names, and lets its reader make calls if the page allows it.
"use strict";

const page = document.getElementById("page");
const methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const ui = SwaggerUIBundle({
  domNode: page,
  url: page.dataset.document,
  // No other site is asked whether the document is valid.
  validatorUrl: null,
  supportedSubmitMethods: page.dataset.calls === "yes" ? methods : [],
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  onComplete: () => {
    document.title = ui.specSelectors.info().get("title");
  },
});
