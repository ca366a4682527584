// The commands. Each returns the exit code; failures are thrown as espalier::Error or UsageError.
#pragma once

#include "settings.h"

namespace espalier::cli {

int generate(const Settings& settings);
int vary(const Settings& settings);
int edit(const Settings& settings);
int preprocess(const Settings& settings);
int export_asset(const Settings& settings);
int check(const Settings& settings);
int render(const Settings& settings);
int convert(const Settings& settings);
int info(const Settings& settings);
int plan(const Settings& settings);
int bench(const Settings& settings);
int doctor(const Settings& settings);
int serve(const Settings& settings);
int worker(const Settings& settings);
int batch(const Settings& settings);
int pull(const Settings& settings);
int models(const Settings& settings);
int mcp(const Settings& settings);
int key(const Settings& settings);
int completion(const Settings& settings);

}  // namespace espalier::cli
