// A program of somebody else that uses the installed library: a call, a result, an exception across the border.
#include <espalier/espalier.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const espalier::CheckpointInfo info = espalier::inspect_checkpoint(argv[1]);
  try {
    const espalier::Pipeline pipeline({.checkpoint = "no such folder"});
  } catch (const espalier::Error& error) {
    const bool expected = error.code() == espalier::ErrorCode::not_found;
    std::printf("espalier %s: %zu modules, %s\n", espalier::version().c_str(), info.modules.size(),
                expected ? "not_found as expected" : error.what());
    return expected ? 0 : 1;
  }
  return 1;
}
