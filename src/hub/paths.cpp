#include "hub/paths.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>

#include "base/error.h"

namespace espalier::hub {

namespace fs = std::filesystem;

namespace {

std::string value(const Variables& variables, const std::string& name) {
  const auto found = variables.find(name);
  return found == variables.end() ? "" : found->second;
}

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// $NAME and ${NAME}; unknown ones stay as they are, as in Python's expandvars.
std::string with_variables(const Variables& variables, const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const bool braced = text[i] == '$' && i + 1 < text.size() && text[i + 1] == '{';
    const std::size_t start = i + (braced ? 2 : 1);
    std::size_t end = start;
    while (text[i] == '$' && end < text.size() && is_name(text[end])) ++end;
    const auto found = text[i] == '$' && end > start ? variables.find(text.substr(start, end - start)) : variables.end();
    if (found == variables.end() || (braced && (end >= text.size() || text[end] != '}'))) {
      out += text[i++];
    } else {
      out += found->second;
      i = end + (braced ? 1 : 0);
    }
  }
  return out;
}

fs::path expanded(const Variables& variables, const std::string& text) {
  std::string path = with_variables(variables, text);
  const std::string home = value(variables, "HOME");
  if (!home.empty() && (path == "~" || path.starts_with("~/"))) path = home + path.substr(1);
  return path;
}

// The folder a variable names, else `otherwise`.
fs::path folder_of(const Variables& variables, const char* name, const fs::path& otherwise) {
  const std::string text = value(variables, name);
  return text.empty() ? otherwise : expanded(variables, text);
}

fs::path under(const fs::path& base, const char* rest) { return base.empty() ? fs::path() : base / rest; }

std::string address(const Variables& variables, const char* name, const std::string& otherwise) {
  std::string text = value(variables, name);
  if (text.empty()) return otherwise;
  while (text.ends_with('/')) text.pop_back();
  const bool usable = text.starts_with("https://") || text.starts_with("http://");
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!usable || !plain) {
    fail(ErrorCode::invalid_argument, name, " is \"", text.substr(0, 200), "\", which is not an address",
         hint("set it to one such as https://huggingface.co, or unset it"));
  }
  return text;
}

double seconds(const Variables& variables, const char* name, double otherwise) {
  const std::string text = value(variables, name);
  if (text.empty()) return otherwise;
  double number = 0.0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size() || !(number >= 1.0 && number <= 86400.0)) {
    fail(ErrorCode::invalid_argument, name, " is \"", text.substr(0, 100), "\"",
         hint("set it to a number of seconds from 1 to 86400"));
  }
  return number;
}

// A token goes into a header: without its white space, and only if it is printable throughout.
std::string clean_token(std::string text) {
  const auto space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && space(text.back())) text.pop_back();
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), space));
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
  return printable ? text : std::string();
}

std::string token_of(const Variables& variables, const fs::path& home) {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (const std::string token = clean_token(value(variables, name)); !token.empty()) return token;
  }
  const fs::path path = folder_of(variables, "HF_TOKEN_PATH", under(home, "token"));
  std::error_code ignored;
  if (path.empty() || !fs::is_regular_file(path, ignored)) return {};
  std::string text(4096, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return clean_token(text);
}

bool says_yes(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text == "1" || text == "ON" || text == "YES" || text == "TRUE";
}

std::vector<fs::path> comfy_folders(const Variables& variables, const fs::path& home) {
  std::vector<fs::path> found;
  std::error_code ignored;
  const auto add = [&](const fs::path& folder) {
    if (!folder.empty() && fs::is_directory(folder, ignored)) found.push_back(folder);
  };
  const fs::path named = folder_of(variables, "COMFYUI_PATH", {});
  add(under(named, "models"));
  if (named.filename() == "models") add(named);
  if (!found.empty()) return found;
  add(under(home, "ComfyUI/models"));
  add(under(home, "comfy/ComfyUI/models"));
  return found;
}

}  // namespace

Paths paths_of(const Variables& variables) {
  const fs::path home = value(variables, "HOME");
  const fs::path cache = folder_of(variables, "XDG_CACHE_HOME", under(home, ".cache"));
  const fs::path hf_home = folder_of(variables, "HF_HOME", under(cache, "huggingface"));
  Paths paths;
  paths.hub = folder_of(variables, "HF_HUB_CACHE", folder_of(variables, "HUGGINGFACE_HUB_CACHE", under(hf_home, "hub")));
  paths.torch = under(folder_of(variables, "TORCH_HOME", under(cache, "torch")), "hub/checkpoints");
  const fs::path data = folder_of(variables, "XDG_DATA_HOME", home);
  paths.rembg = folder_of(variables, "U2NET_HOME", under(data, ".u2net"));
  paths.comfy = comfy_folders(variables, home);
  paths.endpoint = address(variables, "HF_ENDPOINT", "https://huggingface.co");
  paths.mirror = address(variables, "ESPALIER_MIRROR", "");
  paths.token = token_of(variables, hf_home);
  paths.certificates = folder_of(variables, "SSL_CERT_FILE", {});
  paths.offline = says_yes(value(variables, "HF_HUB_OFFLINE")) || says_yes(value(variables, "TRANSFORMERS_OFFLINE"));
  paths.connect_seconds = seconds(variables, "HF_HUB_ETAG_TIMEOUT", 10.0);
  paths.stall_seconds = seconds(variables, "HF_HUB_DOWNLOAD_TIMEOUT", 10.0);
  return paths;
}

}  // namespace espalier::hub
