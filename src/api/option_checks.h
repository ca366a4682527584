// Requests held to the ranges of the option table. All throw invalid_argument that names the option and what it accepts.
#pragma once

#include <span>

#include "espalier/diagnostics.h"

namespace espalier {

void check_edit_request(const EditRequest& request);
void check_finish_request(const FinishRequest& request);
// The samplers of a request.
void check_sampling(const Request& request);
// `from`: where the views are taken from, at least one; look.from is not looked at.
void check_views(const ViewRequest& look, std::span<const Viewpoint> from);
void check_turntable(const TurntableRequest& request);
void check_sheet(const SheetRequest& request);
void check_bench(const BenchOptions& request);

}  // namespace espalier
