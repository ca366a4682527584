// Where weights are kept on this machine, and how the hub is reached: what the environment says, read once.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace espalier::hub {

using Variables = std::map<std::string, std::string>;

struct Paths {
  std::filesystem::path hub;                 // the hub's cache: models--OWNER--REPO/...
  std::filesystem::path torch;               // torch.hub's weights: .../hub/checkpoints
  std::filesystem::path rembg;               // rembg's networks: u2net.onnx
  std::vector<std::filesystem::path> comfy;  // ComfyUI's folders of models that exist
  std::string endpoint;                      // https://huggingface.co, without a slash at the end
  std::string mirror;                        // where files with an address of their own come from instead; may be empty
  std::string token;                         // may be empty
  std::filesystem::path certificates;        // a file with certificates to trust; empty: the system's
  bool offline = false;
  double connect_seconds = 10.0;  // for a connection and an answer's first bytes
  double stall_seconds = 10.0;    // without a byte
};

// HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub or ~/.cache/huggingface/hub; TORCH_HOME,
// $XDG_CACHE_HOME/torch or ~/.cache/torch; U2NET_HOME, $XDG_DATA_HOME/.u2net or ~/.u2net; COMFYUI_PATH, ~/ComfyUI or
// ~/comfy/ComfyUI. ~ and $NAME are replaced in them. A folder is empty when nothing says where it is. The token is that of
// HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or in the file HF_TOKEN_PATH or $HF_HOME/token. Throws invalid_argument for addresses and
// numbers that are none, naming the variable.
[[nodiscard]] Paths paths_of(const Variables& variables);

}  // namespace espalier::hub
