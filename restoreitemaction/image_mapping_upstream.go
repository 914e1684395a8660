// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// changeImageName looks at the ConfigMap of Velero's own action for rows that it
// ignores. The backup center's documents have one: "v1:v2", without a comma.
type changeImageName struct {
	log      logrus.FieldLogger
	settings *settings.Settings[changeImageNameRows]
	warned   once.Seen
}

// changeImageNameAction is the name of Velero's own action.
const changeImageNameAction = "velero.io/change-image-name"

// changeImageNameRows is the ConfigMap of Velero's own action: rows under any keys.
type changeImageNameRows struct {
	At   settings.Position
	Rows map[string]string `json:",inline"`
}

func newChangeImageName(log logrus.FieldLogger, reader *settings.Reader) *changeImageName {
	return &changeImageName{
		log:      log,
		settings: settings.OfUpstream[changeImageNameRows](reader, changeImageNameAction),
	}
}

// warn logs the rows without a comma, once for a restore, and the label with which
// this plugin reads the ConfigMap. What else is wrong with it, Velero's action says.
func (c *changeImageName) warn(ctx context.Context, restore *velerov1.Restore) {
	rows, _, err := c.settings.Read(ctx, settings.ForRestore(restore))
	if err != nil {
		return
	}
	var ignored []string
	for _, key := range slices.Sorted(maps.Keys(rows.Rows)) {
		if row := rows.Rows[key]; !strings.Contains(row, ",") {
			ignored = append(ignored, fmt.Sprintf("%s: %q", key, row))
		}
	}
	if len(ignored) > 0 && c.warned.First(restore.UID, changeImageNameAction) {
		c.log.WithField("rows", strings.Join(ignored, "; ")).
			Warnf("%s: rows without a comma are ignored by Velero's action %s. In place of this label give the ConfigMap the label %s: RestoreItemAction, which reads them, or write \"old,new\"",
				rows.At, changeImageNameAction, ImageMappingName)
	}
}
