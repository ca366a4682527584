#include "geometry/surface/surface.h"

#include "geometry/surface/surface_extractor.h"

namespace espalier {
namespace {

constexpr SurfaceTable kTable = make_surface_table();

}  // namespace

const SurfaceTable* surface::table_of(Queue<Cpu>& /*queue*/) { return &kTable; }

ESPALIER_INSTANTIATE_SURFACE(Cpu)

}  // namespace espalier
