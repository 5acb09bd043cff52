// Which Gaussians concern which tiles. Macro: KEY, the type of the tiles' numbers.
//
// Bound by the search: 20 dependent loads an entry at a million rows, most of them shared by the threads of a warp. One
// thread an entry, not a row, so that one Gaussian before the whole picture keeps no thread busy longer than another's.
#include "common.cuh"

// One thread an entry: find the row that owns it, and name its tile. Entries past the last get the key past all tiles.
//
// order [R]: rows by depth. ends [R]: where the entries of each end, in that order.
KERNEL list_entries(
    const long long* __restrict__ order, const int* __restrict__ ends, const int4* __restrict__ boxes,
    KEY* __restrict__ keys, int* __restrict__ rows, int row_count, int capacity, int count, int tiles_x, int tile_count,
    int key_count) {
    int entry = thread_index();
    if (entry >= capacity) return;
    if (entry >= ends[row_count - 1]) {
        keys[entry] = key_count, rows[entry] = 0;
        return;
    }
    int low = 0, high = row_count - 1;  // the first row that ends after this entry
    while (low < high) {
        int middle = (low + high) / 2;
        if (ends[middle] > entry) high = middle;
        else low = middle + 1;
    }
    int row = order[low];
    int4 box = boxes[row];
    int wide = box.y - box.x, place = entry - (low ? ends[low - 1] : 0);
    int tile = (box.z + place / wide) * tiles_x + box.x + place % wide;
    keys[entry] = row / count * tile_count + tile;
    rows[entry] = row;
}
