// SPDX-License-Identifier: Apache-2.0

package listing_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/listing"
)

func TestAListIsReadForEachKeyAndAgainWhenItIsOldOrDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			lists listing.Lists[[]int]
			reads int
		)
		get := func(key string) []int {
			list, err := lists.Get(key, time.Now, func() ([]int, error) {
				reads++
				return []int{reads}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		got := [][]int{get("a"), get("a"), get("b"), get("a")}
		lists.Drop("b")
		lists.Drop("c")
		got = append(got, get("b"), get("a"))
		time.Sleep(4 * time.Second)
		got = append(got, get("a"))
		time.Sleep(time.Second)
		got = append(got, get("a"))
		if diff := cmp.Diff([][]int{{1}, {1}, {2}, {1}, {3}, {1}, {1}, {4}}, got); diff != "" {
			t.Errorf("lists (-want +got):\n%s", diff)
		}
	})
}

func TestAFailureIsKeptAsLongAsAList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lists listing.Lists[[]int]
		down := errors.New("down")
		reads := 0
		get := func() ([]int, error) {
			return lists.Get("a", time.Now, func() ([]int, error) {
				reads++
				if reads == 1 {
					return nil, down
				}
				return []int{reads}, nil
			})
		}
		for range 2 {
			if list, err := get(); list != nil || !errors.Is(err, down) || reads != 1 {
				t.Errorf("Get() = %v, %v after %d reads", list, err, reads)
			}
		}
		time.Sleep(5 * time.Second)
		if list, err := get(); err != nil || !cmp.Equal(list, []int{2}) {
			t.Errorf("Get() = %v, %v", list, err)
		}
	})
}
