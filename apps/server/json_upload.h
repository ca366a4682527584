// An upload as one JSON object: the files in base64 or as data URLs, written to the disk as they come, so that a large body
// never lies in memory.
#pragma once

#include "uploads.h"

namespace espalier::server {

// True for a body of application/json.
[[nodiscard]] bool is_json(const RequestHead& head);

// Reads the whole body, as read_upload() does for forms. `image` is a file or a list of files; a file is a text (base64, or
// data:...;base64,...) or an object with `data`, and perhaps `name` and, of an image, `mask`. `mask` is the mask of the only
// image, or a list with one or null for each. Throws HttpError that names the member for anything that the rules do not allow.
[[nodiscard]] Upload read_json_upload(HttpRequest& request, const UploadRules& rules);

}  // namespace espalier::server
