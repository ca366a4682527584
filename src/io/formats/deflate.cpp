#include "io/formats/deflate.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "base/error.h"

namespace espalier {

namespace {

constexpr int kRawWindow = -15, kZlibWindow = 15, kGzipWindow = 15 + 16;  // zlib's way to name the wrapping
// zlib counts in 32 bits, so it is fed in pieces.
constexpr std::size_t kPiece = std::size_t{1} << 30U;

std::vector<std::byte> compress(std::span<const std::byte> bytes, int window, const std::string& comment) {
  constexpr int kMemoryLevel = 8;
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
    fail(ErrorCode::out_of_memory, "not enough memory to compress");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, deflateEnd);
  constexpr int kUnknownSystem = 255;
  std::string text = comment;
  gz_header header{};
  header.os = kUnknownSystem;
  if (!comment.empty()) header.comment = reinterpret_cast<Bytef*>(text.data());
  if (window == kGzipWindow) require(deflateSetHeader(&stream, &header) == Z_OK, "gzipped", "zlib refused the header");

  std::vector<std::byte> out;
  std::vector<std::byte> buffer(std::size_t{256} << 10U);
  std::size_t taken = 0;
  int state = Z_OK;
  while (state != Z_STREAM_END) {
    if (stream.avail_in == 0 && taken < bytes.size()) {
      const std::size_t piece = std::min(kPiece, bytes.size() - taken);
      // zlib only reads its input, but takes it without const.
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data() + taken));
      stream.avail_in = static_cast<uInt>(piece);
      taken += piece;
    }
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    state = deflate(&stream, taken == bytes.size() ? Z_FINISH : Z_NO_FLUSH);
    require(state == Z_OK || state == Z_STREAM_END || state == Z_BUF_ERROR, "compress", "zlib failed with ", state);
    out.insert(out.end(), buffer.begin(), buffer.end() - static_cast<std::ptrdiff_t>(stream.avail_out));
  }
  return out;
}

}  // namespace

std::vector<std::byte> deflated(std::span<const std::byte> bytes) { return compress(bytes, kRawWindow, {}); }

std::vector<std::byte> zlib_deflated(std::span<const std::byte> bytes) { return compress(bytes, kZlibWindow, {}); }

std::vector<std::byte> gzipped(std::span<const std::byte> bytes, const std::string& comment) {
  return compress(bytes, kGzipWindow, comment);
}

std::vector<std::byte> inflated(std::span<const std::byte> bytes, std::size_t size, const std::string& name) {
  z_stream stream{};
  if (inflateInit2(&stream, kRawWindow) != Z_OK) fail(ErrorCode::out_of_memory, name, ": not enough memory to decompress");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  std::vector<std::byte> out(size);
  std::size_t taken = 0, made = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    if (stream.avail_in == 0) {
      const std::size_t piece = std::min(kPiece, bytes.size() - taken);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data() + taken));
      stream.avail_in = static_cast<uInt>(piece);
      taken += piece;
    }
    const std::size_t room = std::min(kPiece, out.size() - made);
    Bytef nothing = 0;
    stream.next_out = room > 0 ? reinterpret_cast<Bytef*>(out.data() + made) : &nothing;
    stream.avail_out = static_cast<uInt>(room);
    state = inflate(&stream, Z_NO_FLUSH);
    made += room - stream.avail_out;
  }
  if (state == Z_MEM_ERROR) fail(ErrorCode::out_of_memory, name, ": not enough memory to decompress");
  if (state != Z_STREAM_END || made != size) {
    fail(ErrorCode::format, name, ": the compressed data make no sense", hint("get the file again"));
  }
  return out;
}

struct GzipReader::State {
  z_stream stream{};
  std::span<const std::byte> left;
};

GzipReader::GzipReader(std::span<const std::byte> bytes, std::string name) : name_(std::move(name)), state_(new State) {
  state_->left = bytes;
  if (inflateInit2(&state_->stream, kGzipWindow) != Z_OK) {
    delete state_;
    fail(ErrorCode::out_of_memory, name_, ": not enough memory to decompress");
  }
}

GzipReader::~GzipReader() {
  inflateEnd(&state_->stream);
  delete state_;
}

void GzipReader::fail_damaged(const char* reason) const {
  fail(ErrorCode::format, name_, ": ", reason, hint("get the file again"));
}

void GzipReader::read(std::span<std::byte> out) {
  z_stream& stream = state_->stream;
  while (!out.empty()) {
    if (stream.avail_in == 0) {
      const std::size_t piece = std::min(kPiece, state_->left.size());
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(state_->left.data()));
      stream.avail_in = static_cast<uInt>(piece);
      state_->left = state_->left.subspan(piece);
    }
    const std::size_t piece = std::min(kPiece, out.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(piece);
    const int status = inflate(&stream, Z_NO_FLUSH);
    const std::size_t got = piece - stream.avail_out;
    out = out.subspan(got);
    if (status == Z_MEM_ERROR) fail(ErrorCode::out_of_memory, name_, ": not enough memory to decompress");
    if (status != Z_OK && status != Z_BUF_ERROR && status != Z_STREAM_END) fail_damaged("the compressed data make no sense");
    if (out.empty()) return;
    if (status == Z_STREAM_END || (got == 0 && stream.avail_in == 0 && state_->left.empty()))
      fail_damaged("the data end early");
  }
}

}  // namespace espalier
