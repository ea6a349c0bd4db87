"""Pages of 导入与导出: bring a spreadsheet in step by step, take tables out."""
