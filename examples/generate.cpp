// An image becomes a textured mesh: generate CHECKPOINT IMAGE OUT.glb
//   g++ -std=c++20 generate.cpp -o generate $(pkg-config --cflags --libs espalier)
#include <espalier/espalier.h>

#include <cstdio>
#include <string>

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s CHECKPOINT IMAGE OUT.glb\n", argv[0]);
    return 2;
  }
  try {
    espalier::Pipeline pipeline({.checkpoint = argv[1]});
    espalier::Request request{.images = {argv[2]}, .seed = 7};
    request.finish = espalier::FinishRequest{.simplify = 0.9, .texture_size = 512, .views = 40};

    espalier::Observer observer;
    observer.progress = [](const espalier::Progress& p) {
      std::printf("\r%3.0f %% %-40s", 100.0 * p.fraction, std::string(espalier::stage_title(p.stage)).c_str());
      std::fflush(stdout);
    };
    const espalier::Asset asset = pipeline.generate(request, observer);
    asset.save(argv[3]);
    std::printf("\n%s: %zu faces, texture of %d pixels\n", argv[3], asset.mesh().faces.size() / 3, asset.texture().width);
  } catch (const espalier::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
