// SPDX-License-Identifier: Apache-2.0

package tools

import (
	"context"
	"fmt"
	"strings"
)

// Repository is the module of this repository.
const Repository = "github.com/alibabacloud-velero/velero-plugin-alibabacloud"

// ModuleDir returns the folder with the source of a module, of the version that the module in the working directory
// requires, or of that one itself.
func ModuleDir(ctx context.Context, module string) (string, error) {
	dir, err := goCommand(ctx, ".", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return "", fmt.Errorf("finding the source of the module %s: %w", module, err)
	}
	return strings.TrimSpace(dir), nil
}
