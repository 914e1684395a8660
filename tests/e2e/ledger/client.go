// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger/writer"
)

// Client asks a running application.
type Client struct {
	// HTTP makes requests; it needs a timeout.
	HTTP *http.Client
	// URL is where the application is, such as http://10.232.1.7:8100.
	URL string
}

// Status returns what is safely on disk.
func (c *Client) Status(ctx context.Context) (writer.Status, error) {
	var status writer.Status
	code, err := c.get(ctx, writer.RecordsPath, &status)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("%s%s: HTTP status %d", c.URL, writer.RecordsPath, code)
	}
	return status, err
}

// Verify lets the application verify its directories. atLeast is the number of a record that has to be in each. What is wrong
// is in the reports, not in the error.
func (c *Client) Verify(ctx context.Context, atLeast uint64) ([]writer.Report, error) {
	var reports []writer.Report
	_, err := c.get(ctx, writer.VerifyPath+"?at-least="+strconv.FormatUint(atLeast, 10), &reports)
	return reports, err
}

func (c *Client) get(ctx context.Context, path string, into any) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, nil)
	if err != nil {
		return 0, err
	}
	response, err := c.HTTP.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return 0, fmt.Errorf("%s%s: HTTP status %d: %w", c.URL, path, response.StatusCode, err)
	}
	return response.StatusCode, nil
}
