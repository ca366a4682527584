#include "server/serve.h"

#include <cstdio>

#include "commands.h"
#include "interrupt.h"
#include "places.h"

namespace espalier::cli {

int serve(const Settings& settings) {
  server::ServeOptions options{settings.serve, {}};
  if (!server::is_loopback(options.host) && options.api_key.empty() && !options.no_auth) {
    throw UsageError(
        "--host " + options.host +
        " can be reached from other machines; set a key with --api-key or ESPALIER_API_KEY, or let everybody in with "
        "--no-auth");
  }
  if (options.data.empty()) options.data = server::default_data_folder(settings.data_home, settings.home);
  const ModelLocation found = find_checkpoint(settings);
  options.pipeline = {.checkpoint = found.checkpoint,
                      .device = settings.device,
                      .precision = settings.precision,
                      .tier = settings.tier,
                      .memory_limit = settings.vram_limit,
                      .image_encoder = settings.image_encoder.empty() ? found.image_encoder : settings.image_encoder,
                      .repositories = found.repositories,
                      .text_encoder = settings.text_encoder};
  options.background_network = background_network_of(settings);
  Interrupt interrupt;
  server::serve(
      options, [&] { return interrupt.requested(); },
      [](const std::string& address) {
        std::printf("Espalier listens at %s (Ctrl-C ends it)\n", address.c_str());
        std::fflush(stdout);
      },
      [](const std::string& warning) { std::fprintf(stderr, "espalier: %s\n", warning.c_str()); });
  return 0;
}

}  // namespace espalier::cli
