// Bodies that are tagged and compressed.
#include <zlib.h>

#include "espalier/error.h"
#include "http_message.h"

namespace espalier::server {

std::string tag_of(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037U;
  for (const unsigned char c : bytes) hash = (hash ^ c) * 1099511628211U;
  return '"' + std::to_string(hash) + '-' + std::to_string(bytes.size()) + '"';
}

std::string gzipped(std::string_view bytes, int level) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;
  if (deflateInit2(&stream, level, Z_DEFLATED, kGzip, 9, Z_DEFAULT_STRATEGY) != Z_OK)
    throw Error(ErrorCode::out_of_memory, "no memory to compress an answer");
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != Z_STREAM_END) throw Error(ErrorCode::internal, "an answer could not be compressed");
  return out;
}

Response tagged_json(const RequestHead& head, const Json& value) {
  Response response = json_response(200, value);
  const bool compress = head.header("accept-encoding").find("gzip") != std::string::npos && response.body.size() > 1024;
  std::string etag = tag_of(response.body);
  if (compress) etag.insert(etag.size() - 1, "-gzip");  // other bytes, so another strong tag
  response.header("ETag", etag);
  response.header("Vary", "Accept-Encoding");
  if (matches_tag(head.header("if-none-match"), etag)) {
    Response unchanged;
    unchanged.status = 304;
    unchanged.header("ETag", etag).header("Vary", "Accept-Encoding");
    return unchanged;
  }
  if (compress) {
    constexpr int kQuick = 4;
    response.body = gzipped(response.body, kQuick);
    response.header("Content-Encoding", "gzip");
  }
  return response;
}

}  // namespace espalier::server
