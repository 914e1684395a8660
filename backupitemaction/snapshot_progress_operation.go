// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"encoding/json"
	"fmt"

	"github.com/sirupsen/logrus"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/operationid"
)

// operation is what the id of an operation says: of which PersistentVolume which provider
// takes a snapshot, and of which storage.
type operation struct {
	PersistentVolume string `json:"persistentVolume"`
	Provider         string `json:"provider"`
	Volume           string `json:"volume"`
}

// String writes the id as parse reads it.
func (o operation) String() string { return operationid.Of(o) }

func (o operation) fields() logrus.Fields {
	return logrus.Fields{"name": o.PersistentVolume, "volume": o.Volume, "provider": o.Provider}
}

func (a *SnapshotProgress) parse(id string) (operation, error) {
	var op operation
	if err := json.Unmarshal([]byte(id), &op); err != nil {
		return operation{}, fmt.Errorf("the operation id %q is none of %s: %w", id, SnapshotProgressName, err)
	}
	if op.PersistentVolume == "" || op.Volume == "" {
		return operation{}, fmt.Errorf("the operation id %q is none of %s: it lacks the PersistentVolume or the volume", id, SnapshotProgressName)
	}
	if _, ok := a.providers[op.Provider]; !ok {
		return operation{}, fmt.Errorf("the operation id %q is none of %s: there is no provider %q", id, SnapshotProgressName, op.Provider)
	}
	return op, nil
}
