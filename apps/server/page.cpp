#include "page.h"

#include <algorithm>
#include <array>

namespace espalier::server {
namespace {

struct Media {
  const char* ending;
  const char* type;
  bool compresses;
};
constexpr std::array kMedia{Media{".html", "text/html; charset=utf-8", true},
                            Media{".js", "text/javascript; charset=utf-8", true},
                            Media{".css", "text/css; charset=utf-8", true},
                            Media{".json", "application/json", true},
                            Media{".svg", "image/svg+xml", true},
                            Media{".wasm", "application/wasm", true},
                            Media{".txt", "text/plain; charset=utf-8", true},
                            Media{".webmanifest", "application/manifest+json", true},
                            Media{".png", "image/png", false},
                            Media{".jpg", "image/jpeg", false},
                            Media{".webp", "image/webp", false},
                            Media{".ico", "image/x-icon", false},
                            Media{".woff2", "font/woff2", false},
                            Media{".glb", "model/gltf-binary", false},
                            Media{".hdr", "application/octet-stream", false}};

// Scripts come from this server alone. Spark sorts splats in a WebAssembly worker made from a blob, three.js fetches textures
// from blobs.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; connect-src 'self' blob:; img-src 'self' "
    "blob:; "
    "media-src 'self' blob:; style-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

constexpr std::string_view kWithoutPage =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Espalier</title><body><h1>Espalier</h1>"
    "<p>The server runs, but this program was built without the studio's page. To get it, install nodejs (18 or newer) and "
    "npm, then run "
    "<code>make studio</code> in the source tree.</p><p>The HTTP interface works without it: it is described in "
    "<a href=\"/openapi.json\">/openapi.json</a> and docs/server.md.</p></body></html>";

Media media_of(std::string_view path) {
  const auto found = std::find_if(kMedia.begin(), kMedia.end(), [&](const Media& m) { return path.ends_with(m.ending); });
  return found == kMedia.end() ? Media{"", "application/octet-stream", false} : *found;
}

}  // namespace

Page::Page() {
  const auto add = [&](const EmbeddedFile& file) {
    const Media media = media_of(file.path);
    Entry entry{file, media.type, tag_of(file.bytes), {}};
    if (media.compresses && file.bytes.size() > 1024) entry.compressed = gzipped(file.bytes, 9);
    entries_.emplace(std::string(file.path), std::move(entry));
  };
  for (const EmbeddedFile& file : page_files()) add(file);
  if (entries_.find("index.html") == entries_.end()) add({"index.html", kWithoutPage});
  add({"openapi.json", openapi_document()});
}

Response Page::respond(const RequestHead& head) const {
  std::string path;
  for (const std::string& part : head.path) {
    if (!path.empty()) path += '/';
    path += part;
  }
  const auto found = entries_.find(path.empty() ? "index.html" : path);
  if (found == entries_.end())
    throw HttpError(404, "not_found", "there is nothing at this address", "see /openapi.json for what there is");
  const Entry& entry = found->second;
  const bool compressed = !entry.compressed.empty() && head.header("accept-encoding").find("gzip") != std::string::npos;
  // The two encodings are different bytes, so their strong tags differ.
  std::string etag = entry.etag;
  if (compressed) etag.insert(etag.size() - 1, "-gzip");
  Response response;
  response.header("ETag", etag);
  response.header("Vary", "Accept-Encoding");
  // Names under assets/ change with their bytes.
  response.header("Cache-Control", entry.file.path.starts_with("assets/") ? "public, max-age=31536000, immutable" : "no-cache");
  if (matches_tag(head.header("if-none-match"), etag)) {
    response.status = 304;
    return response;
  }
  response.header("Content-Type", entry.media_type);
  if (entry.file.path.ends_with(".html")) response.header("Content-Security-Policy", kPolicy);
  if (compressed) response.header("Content-Encoding", "gzip");
  response.constant = compressed ? std::string_view(entry.compressed) : entry.file.bytes;
  return response;
}

}  // namespace espalier::server
