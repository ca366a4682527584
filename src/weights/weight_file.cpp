#include "weights/weight_file.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/file.h"
#include "base/printable.h"
#include "weights/quantise.h"
#include "weights/safetensors.h"
#include "weights/torch_file.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLongestPointer = 1024;  // of Git LFS, by its specification

bool is_safetensors(std::string_view beginning) { return beginning.size() > 8 && beginning[8] == '{'; }

// "version https://git-lfs.github.com/spec/v1\noid sha256:...\nsize 1217607321\n"
void refuse_lfs_pointer(const std::string& label, std::string_view text) {
  if (text.size() > kLongestPointer || !text.starts_with("version https://git-lfs.github.com/spec/")) return;
  std::uint64_t bytes = 0;
  const std::size_t at = text.find("\nsize ");
  const std::string_view rest = at == std::string_view::npos ? std::string_view() : text.substr(at + 6);
  (void)std::from_chars(rest.data(), rest.data() + rest.size(), bytes);
  fail(ErrorCode::format, label, ": it is a Git LFS pointer, not the weights", bytes > 0 ? str(" (", bytes, " bytes)") : "",
       hint("run git lfs pull in its folder, or download the file itself"));
}

// What else a file is that was taken for weights; empty when unknown.
std::string other_format(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const std::string_view start = first == std::string_view::npos ? text : text.substr(first);
  const auto begins = [&](std::string_view wanted) {
    return start.size() >= wanted.size() && std::equal(wanted.begin(), wanted.end(), start.begin(), [](char a, char b) {
             return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
           });
  };
  if (begins("<!doctype") || begins("<html") || begins("<?xml")) return "a web page that a server sent instead of the file";
  if (text.starts_with("GGUF")) return "a GGUF file";
  if (text.starts_with("\x89HDF")) return "an HDF5 file";
  if (text.starts_with("\x93NUMPY")) return "a NumPy file";
  if (text.starts_with("\x1f\x8b")) return "compressed with gzip";
  if (text.starts_with('\x80')) return "a pickle, but none of torch.save";
  if (text.size() > 262 && text.substr(257, 5) == "ustar") return "a tar archive (torch.save wrote such files before 2017)";
  return "";
}

}  // namespace

std::unique_ptr<const TensorSource> open_weights(const fs::path& path) {
  MappedFile file(path);
  const std::string label = path.string();
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.size());
  if (text.empty()) fail(ErrorCode::format, label, ": it is empty", hint("fetch it again"));
  refuse_lfs_pointer(label, text);
  if (is_safetensors(text)) return with_scales(std::make_unique<SafetensorsFile>(std::move(file)));
  if (TorchFile::recognises(file.bytes())) return std::make_unique<TorchFile>(std::move(file));
  const std::string other = other_format(text);
  if (other.empty() && path.extension() == ".safetensors") return std::make_unique<SafetensorsFile>(std::move(file));
  fail(ErrorCode::format, label, ": it is ", other.empty() ? "not a file of weights" : other,
       hint("safetensors files and those of torch.save (.pth, .pt, .bin) are read"));
}

fs::path find_weights(const fs::path& base) {
  for (const char* ending : kWeightEndings) {
    const fs::path path = base.string() + ending;
    if (fs::exists(path)) return path;
  }
  return base.string() + kWeightEndings.front();
}

}  // namespace espalier
