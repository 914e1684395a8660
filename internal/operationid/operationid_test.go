// SPDX-License-Identifier: Apache-2.0

package operationid_test

import (
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/operationid"
)

func TestCharactersOfIDsStay(t *testing.T) {
	t.Parallel()
	op := struct {
		Volume string `json:"volume"`
	}{`nas:path=/a<b>&server="s"`}
	const want = `{"volume":"nas:path=/a<b>&server=\"s\""}`
	if got := operationid.Of(op); got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}
